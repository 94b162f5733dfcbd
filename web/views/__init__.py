"""The panel's pages, a module for each section."""
