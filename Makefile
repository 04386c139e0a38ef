.PHONY: check format

check:
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	pytest -n auto

format:
	ruff format .
	ruff check --fix .
