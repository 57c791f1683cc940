# `make image` builds dist/refit first: one static binary with time zones and
# the certificates of public authorities in it. Nothing is pulled, and nothing
# else is in the image.
FROM scratch
COPY dist/refit /refit
ENV PATH=/ REFIT_DATA=/data
VOLUME /data
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["/refit", "health"]
ENTRYPOINT ["/refit"]
