"""The methods: one module or package each, exporting a tuple ``SOLVERS``. The registry finds what is here."""
