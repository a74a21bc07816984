"""Requirement sets that people have, and why a peer's answer to one differs from ours."""

from __future__ import annotations

PYTHONS = ("3.11", "3.12")
PLATFORMS = ("x86_64-manylinux_2_28", "x86_64-pc-windows-msvc", "aarch64-apple-darwin")

SETS: dict[str, list[str]] = {
    "requests": ["requests"],
    "numpy": ["numpy"],
    "fastapi": ["fastapi[standard]", "sqlalchemy", "alembic", "psycopg[binary]"],
    "pydantic 1": ["pydantic<2", "fastapi", "uvicorn[standard]"],
    "starlette first": ["starlette<=0.36.0", "fastapi<=0.115.2"],
    "boto3, old urllib3": ["boto3", "urllib3<1.25.4"],
    "s3fs, boto3": ["s3fs", "boto3", "aiobotocore[boto3]"],
    "aws": ["awscli", "boto3", "moto[s3]", "s3transfer"],
    "airflow": ["apache-airflow==3.0.6"],
    "airflow, providers": [
        "apache-airflow[celery,postgres,redis]>=3,<3.2",
        "apache-airflow-providers-amazon",
        "apache-airflow-providers-cncf-kubernetes",
    ],
    "tensorflow": ["tensorflow-cpu", "keras", "tensorboard"],
    "boosting": ["scikit-learn", "xgboost", "lightgbm", "catboost", "optuna"],
    "transformers": ["transformers", "tokenizers", "datasets", "sentencepiece"],
    "jupyterlab": ["jupyterlab", "ipywidgets", "jupytext", "nbconvert[webpdf]"],
    "old notebook": ["notebook<7", "jupyter-client<8", "traitlets"],
    "django": ["django", "celery[redis]", "djangorestframework", "gunicorn", "psycopg2-binary"],
    "flask": ["flask", "flask-sqlalchemy", "flask-migrate", "flask-login", "werkzeug<3"],
    "sphinx": ["sphinx", "sphinx-rtd-theme", "myst-parser", "sphinx-autodoc-typehints"],
    "mkdocs": ["mkdocs-material", "mkdocstrings[python]", "mkdocs-gen-files"],
    "ansible": ["ansible", "ansible-lint", "molecule"],
    "azure": ["azure-identity", "azure-storage-blob", "azure-mgmt-compute", "azure-cli-core"],
    "google cloud": [
        "google-cloud-storage",
        "google-cloud-bigquery[pandas]",
        "google-cloud-pubsub",
        "google-cloud-aiplatform",
    ],
    "beam": ["apache-beam[gcp]"],
    "dbt": ["dbt-core", "dbt-postgres", "dbt-bigquery"],
    "mlflow": ["mlflow", "pandas<3"],
    "streamlit": ["streamlit", "plotly", "altair", "pydeck"],
    "langchain": ["langchain", "langchain-openai", "langchain-community"],
    "geo": ["geopandas", "rasterio", "pyproj", "folium"],
    "dask": ["dask[complete]", "distributed", "xarray"],
    "ray": ["ray[default,tune]"],
    "telemetry": [
        "opentelemetry-distro",
        "opentelemetry-exporter-otlp",
        "opentelemetry-instrumentation-fastapi",
        "opentelemetry-instrumentation-requests",
    ],
    "old otlp": ["opentelemetry-exporter-otlp", "protobuf<4"],
    "testing": ["pytest", "pytest-cov", "pytest-xdist", "hypothesis", "tox", "nox", "pre-commit"],
    "linting": ["ruff", "mypy", "black", "flake8", "pylint", "isort", "bandit"],
    "packaging": ["poetry", "pdm", "hatch", "build", "twine"],
    "scraping": ["scrapy", "playwright", "beautifulsoup4", "lxml"],
    "pandas 1": ["pandas<2", "scikit-learn<1.3", "numpy"],
    "snowflake": ["snowflake-connector-python[pandas]", "snowflake-sqlalchemy"],
    "kubernetes": ["kubernetes", "ansible-core", "hvac", "openshift"],
    "botocore types": ["boto3-stubs[essential]", "types-requests", "botocore<1.35"],
}

_PATCH = (
    "pip reads the markers of its own Python, 3.11.7; a target that names no patch is the oldest."
    " redis needs async-timeout below 3.11.3 only: with 3.11.7 as target we leave it out, too."
)
EXPLAINED: dict[tuple[str, str], str] = {
    ("airflow, providers", "pip"): _PATCH,
    ("django", "pip"): _PATCH,
}
"""By set and peer; each was found by looking."""
