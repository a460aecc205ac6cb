# Serves one fitted model: docker build --build-arg MODEL=shops.learnset -t shops .
FROM python:3.12-slim
WORKDIR /app
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir -c constraints.txt '.[tables,serve]'
ARG MODEL
COPY ${MODEL} model.learnset
RUN useradd --create-home server
USER server
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')"
CMD ["learnset", "serve", "model.learnset", "--host", "0.0.0.0"]
