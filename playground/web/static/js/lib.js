// Preact and htm under one name, so that a page's own file never imports the vendored one.
// Whatever is put into a template is set as text or as an attribute, never parsed as markup.
export { html, render, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact-htm.js";
