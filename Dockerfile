# Build: types, lint and the tests that need no other software, then JavaScript.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run check && npm run build && npm prune --omit=dev --omit=optional && rm -rf node_modules/.cache

# Run: as an unprivileged user; everything that is kept lies in /data, and nothing else is written to. No shell is needed.
FROM node:24-bookworm-slim
ENV NODE_ENV=production FOREBAY_STORE_PATH=/data
WORKDIR /app
COPY --from=build /src/package.json /src/LICENSE ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/config ./config
# With dist/sbom.cdx.json, the list of what it is made of.
COPY --from=build /src/dist ./dist
# Without settings of a site: on every address of the container.
RUN sed -i 's/host: 127.0.0.1/host: 0.0.0.0/' config/default.yaml && install -d -o node -g node -m 0700 /data
# The user node, by its number: a cluster that lets nobody run as root cannot tell by a name.
USER 1000:1000
VOLUME /data
EXPOSE 8080
# By the socket for commands, which is there whatever port and protocol the settings say.
HEALTHCHECK CMD ["node", "-e", "require('http').get({ socketPath: process.env.FOREBAY_STORE_PATH + '/command.sock', path: '/healthz' }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=16", "dist/main.js"]
CMD ["serve"]
