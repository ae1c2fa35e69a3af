"""Rules of reports, pure: the law of a share, tests of luck, who gives how much, which groups are too small."""
