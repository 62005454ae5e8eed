# The demo and the grader in a container. Not built yet: what follows has been read, not run.
#
#   docker build -t dreamprm-code .
#   docker run --rm $FLAGS dreamprm-code                                      # trains and evaluates the demo
#   docker run --rm $FLAGS dreamprm-code python src/grade.py --problems data/grading/problems.jsonl \
#     --solutions data/grading/programs.jsonl --out /tmp/graded.jsonl --isolation required:namespaces
#
# FLAGS, for grading at the namespaces level (docs/grading.md says what each level keeps out):
#   --security-opt seccomp=unconfined --security-opt systempaths=unconfined    and --security-opt apparmor=unconfined where it is on
# Without them the grader takes the landlock level by itself.
FROM python:3.11-slim

WORKDIR /dreamprm-code
ENV VIRTUAL_ENV=/env PATH=/env/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
COPY requirements*.txt requirements.lock ./
# --build-arg TORCH_INDEX=URL: where torch's CPU builds are; without it pip takes the build with CUDA (several GB).
ARG TORCH_INDEX=
RUN python -m venv /env \
 && pip install --require-hashes --no-deps -r requirements.lock \
 && pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' requirements.txt)" \
 && pip install --no-deps --ignore-requires-python -r requirements-betty.txt
COPY . .
# An ordinary user: the grader then needs no right beyond user namespaces.
RUN useradd --create-home runner && chown -R runner /dreamprm-code
USER runner
CMD ["bash", "run_train_eval.sh"]
