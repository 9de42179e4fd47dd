"""Infrastructure as code: the site, the platform layer that every site gets, and the proof that two sites are alike."""
