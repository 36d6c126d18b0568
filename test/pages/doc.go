// Package pages tests the HTML pages in a browser, and makes the README's pictures from
// real output. Both need Chromium: make test-pages, make pictures.
package pages
