"""Sphinx configuration."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "sciml"
author = "The sciml developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "docstrings"]
html_theme = "furo"
exclude_patterns = ["_build", "_extensions"]
myst_heading_anchors = 3  # links to sections, as README and pages use them
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
python_display_short_literal_types = True
python_maximum_signature_line_length = 100
