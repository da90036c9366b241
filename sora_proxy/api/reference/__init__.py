"""The document of the API: the requests and answers of each route, as OpenAPI and as a page."""
