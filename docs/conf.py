"""How Sphinx builds the documentation; without the network, and with warnings as errors."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))
from elsewhere import source_of as linkcode_resolve  # noqa: F401

project = "dj-photon-codecs"
author = "DataJoint Inc."
copyright = "2026, DataJoint Inc."
version = release = installed_version(project)

extensions = [
    "cells",
    "commands",
    "elsewhere",
    "mathml",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.linkcode",
    "sphinx_copybutton",
]
exclude_patterns = ["data/README.md"]
myst_enable_extensions = ["dollarmath", "fieldlist", "colon_fence"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True

# In a docstring, `name` links to what it names, where that has a page, and is emphasised elsewhere.
default_role = "autolink"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections hold the types
numpydoc_show_class_members = False
numpydoc_xref_param_type = True

templates_path = ["_templates"]
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_js_files = ["versions.js"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = "dj-photon-codecs"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
        "versions.html",
    ]
}
html_theme_options = {
    "source_repository": "https://github.com/datajoint/dj-photon-codecs/",
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_exclude = ".linenos, .gp, .go"
