"""Tests of the rules of the product: no disk, no database."""
