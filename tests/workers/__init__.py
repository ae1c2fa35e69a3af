"""Tests of several workers behind one address: whole servers, and the pure rules of their supervisor."""
