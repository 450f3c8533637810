"""An example address of each page: screenshots, axe and sizes go over all of them."""

PAGES: dict[str, str] = {
    "home": "/",
    "runs": "/runs",
    "run": "/runs/1",
    "api": "/api/docs",
    "missing": "/nothing-here",
}
"""By the name of its picture, in a lab where one run has ended."""
