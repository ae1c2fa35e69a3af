"""Rules of campaigns: which amounts a pool has (deck), which number gets which (permutation, pool)."""
