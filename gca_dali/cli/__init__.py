"""The command ``gca-dali``: one module per command, put together in :mod:`gca_dali.cli.main`."""
