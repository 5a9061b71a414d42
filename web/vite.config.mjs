import { createReadStream, createWriteStream, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import { defineConfig } from "vite";

/** Where the Python package serves the dashboard from; git-ignored, and packed into the wheel. */
const OUT = "../src/mainstem/api/static";

/** What is in the built files and was written by others. */
const SHIPPED = ["react", "react-dom", "scheduler", "echarts", "zrender", "tslib", "@fontsource-variable/inter"];

/** The licences of what is shipped, as one text asset. */
function licences() {
  return {
    name: "mainstem-licences",
    apply: "build",
    generateBundle() {
      const parts = SHIPPED.map((name) => {
        const folder = join("node_modules", name);
        const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const files = readdirSync(folder).filter((file) => /^(LICEN[CS]E|NOTICE)(\.|$)/i.test(file));
        if (files.length === 0) this.error(`${name} has no licence file`);
        const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
        return [`${name} ${version}`, ...texts].join("\n\n");
      });
      this.emitFile({ type: "asset", name: "licences.txt", source: `${parts.join(`\n\n${"=".repeat(80)}\n\n`)}\n` });
    },
  };
}

/** Beside each text asset the same in gzip and Brotli, so that serving costs the server nothing. */
function compressed() {
  return {
    name: "mainstem-compressed",
    apply: "build",
    async writeBundle({ dir }, bundle) {
      const texts = Object.keys(bundle).filter((file) => /\.(js|css|svg|txt|html)$/.test(file));
      for (const file of texts) {
        const path = join(dir, file);
        await pipeline(createReadStream(path), createGzip({ level: 9 }), createWriteStream(`${path}.gz`));
        const brotli = createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        await pipeline(createReadStream(path), brotli, createWriteStream(`${path}.br`));
      }
    },
  };
}

/** `npm run dev` serves the sources and passes the API on to a running Mainstem or mock server. */
const api = process.env.MAINSTEM_API ?? "http://127.0.0.1:8321";

/** The API takes a browser's requests from its own origin only. */
function sameOrigin(proxy) {
  for (const event of ["proxyReq", "proxyReqWs"]) proxy.on(event, (request) => request.setHeader("Origin", api));
}

export default defineConfig({
  plugins: [licences(), compressed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2023",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 1024,
    reportCompressedSize: false,
    // The chart library; what may be sent in all is kept by dev/check-budget.mjs.
    chunkSizeWarningLimit: 600,
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": { target: api, changeOrigin: true, ws: true, configure: sameOrigin } },
  },
  test: { include: ["tests/**/*.test.ts", "tests/**/*.test.tsx"], environment: "node", css: true },
});
