"""Certificates that something was erased: signed by the site that held it."""
