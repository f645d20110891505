# sciml on a CPU: `docker build -t sciml .`, then
# `docker run --rm -v "$PWD:/work" sciml run shallow_water`; runs and the cache of data stay in the mounted folder.
FROM python:3.12-slim

# The wheels of PyTorch without CUDA are a tenth of the size; without this index the build works and is larger.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 MPLBACKEND=Agg SCIML_HOME=/work/.sciml

WORKDIR /opt/sciml
COPY pyproject.toml README.md LICENSE ./
COPY sciml ./sciml
COPY problems ./problems
COPY datasets ./datasets
RUN python -m pip install --extra-index-url "${TORCH_INDEX}" '.[export]' && sciml doctor

RUN useradd --create-home --uid 1000 scientist && mkdir /work && chown scientist /work
USER scientist
WORKDIR /work
ENTRYPOINT ["sciml"]
CMD ["--help"]
