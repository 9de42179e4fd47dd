"""The end of a site: taken off, deleted, its traces looked for, and all of it certified with the site's own key before that key goes, too."""
