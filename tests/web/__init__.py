"""Tests of the TypeScript SDK and of the app for browsers."""
