"""Room web: the page in the browser: uploads, advice, players, downloads, and the same as an API."""
