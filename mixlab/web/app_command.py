"""Advice on the balance of a mix, as a page in the browser and as an API.

    mixlab app                                          the model that comes with the package
    mixlab app checkpoint=RUN                           run folder (or its adapter folder)
    mixlab app host=0.0.0.0 port=8080                   for other machines too

checkpoint      null: the tiny advisor, which has heard synthetic songs only
file_mb         session_mb bounds an archive and, with files and minutes, what one person has
total_temp_mb   in a temporary folder (TMPDIR) that is deleted at the end

Needs pip install 'mixlab[web]'. Nothing is sent to other hosts. How to call it from programs: mixlab/web/api.py.
"""

from __future__ import annotations

import os

from mixlab.errors import require
from mixlab.web.settings import AppSettings


def main(settings: AppSettings) -> None:
    """Load the model, and serve until Ctrl-C."""
    require("mixlab app", "web", "gradio")
    # Read when Gradio is imported: nothing of this server is told to anybody.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from mixlab.web.server import serve

    serve(settings)
