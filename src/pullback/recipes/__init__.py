"""Recipes: tasks from data to figures and a picture, each one command."""
