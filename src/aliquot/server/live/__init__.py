"""What is live: one look at the catalogue a second, however many pages are open, and the streams that it feeds."""
