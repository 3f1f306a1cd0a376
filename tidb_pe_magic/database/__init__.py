"""The data side: the only package that imports SQLAlchemy, PyMySQL, pandas and jupysql.

Nothing here is imported before the first SQL connection is opened.
"""
