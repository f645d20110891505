"""Sphinx configuration."""

project = "sciml"
author = "The sciml developers"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
