"""Tables: from CSV, TSV, Parquet or a dataframe to examples, by a preparation that is kept."""

from pullback.data.tables.columns import TABLES
from pullback.data.tables.preparation import Preparation
from pullback.data.tables.ratings import Ratings, ratings
from pullback.data.tables.reading import Frame, read_table
from pullback.data.tables.table import prepare, table

__all__ = [
    "TABLES",
    "Frame",
    "Preparation",
    "Ratings",
    "prepare",
    "ratings",
    "read_table",
    "table",
]
