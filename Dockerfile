# `make image` builds dist/refit first: one static binary with time zones and
# the certificates of public authorities in it. Nothing is pulled, and nothing
# else is in the image but an empty /data, which any user may write to: a fresh
# volume takes that over, so that Refit need not be root.
FROM scratch
COPY dist/image/ /
COPY dist/refit /refit
LABEL org.opencontainers.image.title=Refit
ENV PATH=/ REFIT_DATA=/data
VOLUME /data
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["/refit", "health"]
ENTRYPOINT ["/refit"]
