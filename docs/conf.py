"""Sphinx configuration."""

import os
import sys
import tempfile
from pathlib import Path

os.environ["SCIML_HOME"] = tempfile.mkdtemp()  # notebooks fill a cache of their own
os.environ.pop("MPLBACKEND", None)  # or they would show no pictures
sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "sciml"
author = "The sciml developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "docstrings"]
html_theme = "furo"
exclude_patterns = ["_build", "_extensions"]
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
myst_heading_anchors = 3  # links to sections, as README and pages use them
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "exclude-members": "model_config"}
python_display_short_literal_types = True
python_maximum_signature_line_length = 100
