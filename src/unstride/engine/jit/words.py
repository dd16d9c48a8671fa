"""The block of 64-bit words that threads share: where each is; ``sharing.py`` says what is done with them."""

from __future__ import annotations

from enum import IntEnum

ALIGNMENT = 128
"""bytes apart at which threads write without slowing each other: two cache lines, for they are fetched in pairs"""


class Word(IntEnum):
    """Where a word is in the block; groups that different threads write lie ``ALIGNMENT`` apart."""

    STATE = 0
    STOP = 1
    """not 0: workers are to go"""
    SPINS = 2
    """pauses that a worker waits for a job before it sleeps"""
    YIELD = 3
    """address of the system's function that lets another thread run, or of ``stay``"""
    TASK = 32
    CONTEXT = 33
    COUNT = 34
    PLACES = 35
    """workers that the job has room for"""
    COUNTERS = 36
    """address of the counters, for each part the indices taken so far, ``ALIGNMENT`` bytes apart"""
    ASLEEP = 48
    """workers asleep for whom no wake is on the way"""
    WORKERS = 49
    """workers there are"""
    OWNER = 50
    """the thread whose job this is, or 0"""
    END = 64
