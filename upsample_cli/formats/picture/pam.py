"""Writes PAM, Netpbm's format with alpha; `netpbm` reads it."""

from .netpbm import write_pam

write = write_pam
