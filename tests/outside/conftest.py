"""The projects here are other people's: they are installed and used, never collected as tests of ours."""

collect_ignore_glob = ["*"]
