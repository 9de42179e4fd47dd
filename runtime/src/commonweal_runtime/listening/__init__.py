"""Who may hold a connection, for how long, and who gives way: the limits that hold before a web application sees a request."""
