"""Parts that replacements by a facility's own builds share."""
