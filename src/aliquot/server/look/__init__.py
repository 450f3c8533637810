"""What pages look like: templates, styles, scripts, and the making of HTML."""
