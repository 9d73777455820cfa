"""The commands of `dominoes`, one file each; `scripts.cli.main` puts them together."""
