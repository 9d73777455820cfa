"""The commands of `dominoes`, one file each; `scripts.cli` puts them together."""
