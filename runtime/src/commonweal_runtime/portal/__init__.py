"""The people's portal: one page over all departments of a site. A client of the published APIs and nothing more; it stores nothing."""
