# Build: types, lint and the tests that need no other software, then JavaScript.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run check && npm run build && npm prune --omit=dev --omit=optional

# Run: as an unprivileged user; everything that is kept lies in /data.
FROM node:24-bookworm-slim
ENV NODE_ENV=production FOREBAY_STORE_PATH=/data FOREBAY_LISTEN_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /src/package.json /src/LICENSE ./
COPY --from=build /src/node_modules ./node_modules
COPY --from=build /src/config ./config
COPY --from=build /src/dist ./dist
RUN install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=16", "dist/main.js"]
CMD ["serve"]
