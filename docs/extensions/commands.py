"""``{command-help} VERB``: what ``dj-photon VERB --help`` prints, in the page that asks for it."""

import os
import re
import subprocess
import sys

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

PLAIN = {"TERMINAL_WIDTH": "88", "NO_COLOR": "1", "TERM": "dumb", "PYTHONIOENCODING": "utf-8"}


def setup(app):
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True}


class CommandHelp(SphinxDirective):
    """Run the command, and show its help as it stands in a terminal."""

    optional_arguments = 1

    def run(self):
        """Return what the command prints."""
        command = [sys.executable, "-m", "dj_photon_codecs.cli", *self.arguments, "--help"]
        shown = subprocess.run(
            command, check=True, capture_output=True, encoding="utf-8", env=os.environ | PLAIN
        )
        text = re.sub(r" +$", "", shown.stdout, flags=re.MULTILINE).strip("\n")
        return [nodes.literal_block(text, text, language="text")]
