"""How Sphinx builds the documentation; without the network, and with warnings as errors."""

import os
import re
from importlib.metadata import version as installed_version

os.environ["DJ_IGNORE_CONFIG_FILE"] = "true"  # DataJoint is imported, and asks no database

project = "dj-photon-codecs"
author = "DataJoint Inc."
copyright = "2026, DataJoint Inc."
version = release = installed_version(project)

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
]
myst_enable_extensions = ["dollarmath", "fieldlist"]
myst_heading_anchors = 3

# In a docstring, `name` links to what it names, where that has a page, and is emphasised elsewhere.
default_role = "autolink"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections hold the types
numpydoc_show_class_members = False

html_theme = "furo"
html_title = "dj-photon-codecs"
html_show_sourcelink = False

FILES = "https://github.com/datajoint/dj-photon-codecs/blob/main/"


def setup(app):
    app.connect("include-read", link_files_of_the_repository)


def link_files_of_the_repository(_app, _path, _document, content):
    """Let links to files that are no part of the documentation lead to the repository."""
    link = r"(?<!!)(\[[^]]*\])\((?!https?:|docs/|#)([^)]+)\)"
    content[0] = re.sub(link, rf"\1({FILES}\2)", content[0])
