/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A headless browser and what we ask of every page, for the scripts of this folder. They are started
 * by with-browser. */
import { createServer } from 'node:http';
import { readFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, extname } from 'node:path';
import { tmpdir } from 'node:os';

const require = createRequire(join(process.env.BUILD, 'node_modules/'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/* What the daemon sends, too. */
export const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/* Serves files of `folder`, and static/ from the sources. Ends with close(). */
export function serve(folder) {
	const types = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript' };
	const server = createServer((request, answer) => {
		const path = new URL(request.url, 'http://x').pathname;
		const root = path.startsWith('/static/') ? join(process.env.SOURCE, 'webui') : folder;
		try {
			const body = readFileSync(join(root, path));
			answer.writeHead(200, { 'Content-Type': types[extname(path)],
						'Content-Security-Policy': policy });
			answer.end(body);
		} catch {
			answer.writeHead(404).end();
		}
	});
	return new Promise((done) => server.listen(0, '127.0.0.1', () =>
		done({ url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() })));
}

/* How long anything may take on a machine that does much else; what is there is not waited for. */
const patience = 180000;

/* A browser with its own empty profile; `more`: its options. */
export async function open(more = []) {
	const profile = mkdtempSync(join(tmpdir(), 'lliure-browser-'));
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox',
		'--disable-gpu', '--disable-background-networking', '--disable-component-update',
		'--disable-sync', '--no-first-run', ...more], env: { ...process.env, HOME: profile }, timeout: patience });
	const make = browser.newContext.bind(browser);
	browser.newContext = async (options) => {
		const context = await make(options);
		context.setDefaultTimeout(patience);
		return context;
	};
	return { browser, close: async () => { await browser.close(); rmSync(profile, { recursive: true, force: true }); } };
}

/* What axe-core finds that may differ with the width or the colours of one and the same page. */
export const looks = { type: 'rule', values: ['color-contrast', 'link-in-text-block', 'scrollable-region-focusable', 'target-size'] };

/* What is wrong with the page as it stands: sentences, none if all is well. */
export async function complaints(page, only) {
	return [...await ownComplaints(page), ...await axeComplaints(page, only)];
}

/* What we ask ourselves; it works for a page whose scripts are switched off, too. (A click has led to the next
 * page, and on a busy machine only its beginning is there.) */
export async function ownComplaints(page) {
	await page.waitForLoadState();
	return page.evaluate(() => {
		const bad = [];
		const root = document.documentElement;
		const over = root.scrollWidth - root.clientWidth;
		if (over > 0)
			bad.push(`is ${over} px wider than the window`);
		const headings = document.querySelectorAll('h1').length;
		if (headings !== 1)
			bad.push(`has ${headings} main headings instead of one`);
		for (const name of ['header', 'main', 'footer', 'nav'])
			if (!document.querySelector(name))
				bad.push(`has no <${name}>`);
		if (!root.lang)
			bad.push('does not say its language');
		for (const field of document.querySelectorAll('input:not([type=hidden]), textarea, select'))
			if (!field.labels.length)
				bad.push(`has a field without label: ${field.outerHTML.slice(0, 80)}`);
		for (const target of document.querySelectorAll('button, .btn, input:not([type=hidden])')) {
			const whole = target.closest('.pick') || target;
			const box = whole.getBoundingClientRect();
			if (box.width && box.height < 44)
				bad.push(`has a target of ${Math.round(box.height)} px: ${target.outerHTML.slice(0, 80)}`);
		}
		return bad;
	});
}

/* What axe-core finds of WCAG 2.2 AA, and of what it calls best practice. */
async function axeComplaints(page, only = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']) {
	await page.evaluate(axe);
	const found = await page.evaluate((runOnly) => window.axe.run(document, { resultTypes: ['violations'], runOnly }), only);
	/* A page that loads itself again is fine where the reader can stop it (WCAG 2.2.1). */
	const stops = await page.locator('a[href$="?still=1"]').count() > 0;
	return found.violations.filter((v) => !(stops && v.id === 'meta-refresh')).map((v) => `${v.id}: ${v.help}: ` +
		v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' '));
}

/* TAP, one line a test. */
export function tap() {
	let n = 0;
	return {
		test(name, bad) {
			n += 1;
			console.log(`${bad.length ? 'not ok' : 'ok'} ${n} - ${name}`);
			for (const line of bad)
				console.log(`# ${name} ${line.replace(/\s+/g, ' ')}`);
		},
		end() { console.log(`1..${n}`); },
	};
}
