"""How the documentation is built."""

from importlib.metadata import version as version_of

project = "trustd"
author = "The trustd authors"
copyright = "The trustd authors, Apache-2.0"
release = version = version_of("trustd")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["images"]
html_theme = "furo"
html_title = f"trustd {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
