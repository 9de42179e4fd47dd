"""What each kind means: gather what bears on an object, decide by small named checks, say it in conditions. One module per kind."""
