"""A study: model-based search beside random search with a multiple of its trainings.

| module | what |
|---|---|
| `comparison` | both searches and what compares them; pure computation |
| `published` | what was published of the same use case |
| `figures` | all figures as one document, and every training as a row |
| `axes`, `pictures`, `animation` | what they look like |
| `page` | the report that people read |
| `report` | writes everything into a folder |
"""
