// Builds the SDK for Node and the app for browsers: `npm run build`, or `make web`. With a folder as its argument it
// builds into that folder instead of into the source, for the test that compares.
//
// Beside the built files it writes the hashes of all that they were built from: users and tests need no npm to see
// that a built file is stale.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transformWithEsbuild } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] === undefined ? undefined : resolve(process.argv[2]);
const sdkFolder = target ?? join(here, "sdk", "dist");
const appFolder = target ?? join(here, "..", "..", "server", "http_api", "web", "built");
const SOURCES = ["build.mjs", "package.json", "package-lock.json", "sdk/package.json", "app/package.json"];
const FOLDERS = ["sdk/src", "app/src", "app/public"];
const quiet = { configFile: false, logLevel: "warn", clearScreen: false };

function filesBelow(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

function hashes() {
  const paths = [...SOURCES.map((name) => join(here, name)), ...FOLDERS.flatMap((name) => filesBelow(join(here, name)))];
  const named = paths.map((path) => [relative(here, path).split(sep).join("/"), path]).sort();
  const digest = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");
  return Object.fromEntries(named.map(([name, path]) => [name, digest(path)]));
}

/** The texts as three long ones, of both languages and of keys, at the head of the script: like stands beside like, and
 * it is 1 KB smaller as it travels. */
const TABLE = /const TEXTS = (\{.*?\n\});/s;
const source = readFileSync(join(here, "app/src/state/texts.ts"), "utf8");
const [, table] = TABLE.exec((await transformWithEsbuild(source, "texts.ts")).code);
const pairs = Function(`return ${table}`)();
const joined = (parts) => `${JSON.stringify(parts.join("|"))}.split("|")`;
const [zh, en] = [0, 1].map((at) => joined(Object.values(pairs).map((pair) => pair[at])));
const intro = `const ZH = ${zh}, EN = ${en}, KEYS = ${joined(Object.keys(pairs))};`;
const texts = {
  name: "texts",
  enforce: "post",
  transform(code, id) {
    if (!id.endsWith("/state/texts.ts")) return null;
    const made = "const TEXTS = Object.fromEntries(KEYS.map((key, at) => [key, [ZH[at], EN[at]]]));";
    return { code: code.replace(TABLE, made), map: null };
  },
};

await build({
  ...quiet,
  build: {
    target: "es2022",
    outDir: sdkFolder,
    emptyOutDir: false,
    minify: false,
    lib: { entry: join(here, "sdk/src/index.ts"), formats: ["es"], fileName: () => "hongbao.js" },
  },
});

const output = await build({
  ...quiet,
  plugins: [texts],
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  resolve: { alias: { "@hongbao/sdk": join(here, "sdk/src/index.ts") } },
  build: {
    target: "es2022",
    write: false,
    minify: "terser",
    terserOptions: { ecma: 2020, compress: { passes: 3, sequences: false, pure_getters: true, inline: 1 } }, // 1.2 KB smaller, as it travels, than by esbuild
    cssMinify: true,
    modulePreload: false,
    rollupOptions: { output: { intro } },
    lib: { entry: join(here, "app/src/main.tsx"), formats: ["iife"], name: "hongbao", fileName: () => "app.js" },
  },
  define: { "process.env.NODE_ENV": '"production"' },
});

mkdirSync(appFolder, { recursive: true });
for (const file of output[0].output) {
  const name = file.fileName.endsWith(".css") ? "app.css" : "app.js";
  writeFileSync(join(appFolder, name), file.type === "asset" ? file.source : file.code);
}
const shell = join(here, "app", "src", "style", "shell.css"); // stands before the page, without the rest of the style
const { code } = await transformWithEsbuild(readFileSync(shell, "utf8"), shell, { loader: "css", minify: true, sourcemap: false });
writeFileSync(join(appFolder, "shell.css"), code);
for (const path of filesBelow(join(here, "app", "public"))) copyFileSync(path, join(appFolder, relative(join(here, "app", "public"), path)));
writeFileSync(join(target ?? here, "built.json"), `${JSON.stringify(hashes(), null, 2)}\n`);
