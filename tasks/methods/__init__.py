"""Methods: one file a family of methods, with everything about it; `registry` lists them, `method` is the contract.

To add a family, write its file beside these, end it with `METHOD = YourMethod()`, and add the file's name to the
registry. Settings, planning, the making of models, `--help`, the quickstart and `docs/methods.md` follow.
"""
