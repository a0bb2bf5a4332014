-- page.lua -- the pandoc filter that makes a page of the site of one file
--
-- From the environment (docs/site/build sets it): SITE_FILE is the file, from
-- the project's top; SITE_URL its page; SITE_DIR where the pages are;
-- SITE_LINKED a file to which each file that the page links is appended;
-- SITE_ORDER a file with "URL<TAB>title" of the pages for the contents bar.
local common = dofile('docs/site/common.lua')
local lines_of, read, escape = common.lines_of, common.read, common.escape
local html = common.html
local file = os.getenv('SITE_FILE')
local page = os.getenv('SITE_URL')
local top = page:gsub('[^/]*$', ''):gsub('[^/]+/', '../')
local glossary

local function is_folder(path)
    local stream = io.open(path .. '/.')
    return stream ~= nil and stream:close()
end

-- Returns the page of a file: that of docs/ is the site's own folder, and a
-- README is the page of its folder. GitHub Pages leaves out .github.
local function url_of(path)
    if path == 'docs/README.md' or path == 'docs' then return 'course.html' end
    if is_folder(path) then path = path .. '/README.md' end
    path = path:gsub('^docs/', ''):gsub('^%.', '')
    if path:match('%.svg$') or path:match('%.png$') then return path end
    return (path:gsub('README%.md$', 'index.md'):gsub('%.md$', '') .. '.html')
end

-- Returns the page of a file as this page links it, and has it made.
local function link_to(path)
    local linked = assert(io.open(os.getenv('SITE_LINKED'), 'a'))
    linked:write(path, '\t', url_of(path), '\n')
    linked:close()
    return top .. url_of(path)
end

-- Returns the path, from the project's top, of a link's target in this file.
local function resolve(target)
    local parts = {}
    for part in (file:gsub('[^/]*$', '') .. target):gmatch('[^/]+') do
        if part == '..' then
            table.remove(parts)
        elseif part ~= '.' then
            table.insert(parts, part)
        end
    end
    return table.concat(parts, '/')
end

-- A quoted block stands under the file that it's from, as a link to it.
local function listing(url, name, code)
    local label = pandoc.Link({pandoc.Code(name)}, url)
    return pandoc.Div({pandoc.Div({pandoc.Plain({label})},
                                  pandoc.Attr('', {'from'})), code},
                      pandoc.Attr('', {'listing'}))
end

local function quoted(comment, code)
    local old, new, name =
        comment:match('^<!%-%- diff (0[^ ]*) (0[^ ]*) ([^ ]*) %-%->')
    if name then
        return listing(top .. 'diff-' .. new:sub(1, 2) .. '.html#' ..
                       common.hunk_id(name, code),
                       old .. ' → ' .. new .. ': ' .. name, code)
    end
    local from = comment:match('^<!%-%- from ([^ ]*) %-%->')
    if from then
        local line = common.find(lines_of(code.text), lines_of(read(from)))
        return listing(link_to(from) .. (line and '#L-' .. line or ''), from,
                       code)
    end
    return code
end

-- In a console block, what one types is bold, and the prompt isn't copied.
local function console(code)
    local shown, goes_on = {}, false
    for _, line in ipairs(lines_of(code.text)) do
        local typed = goes_on and line or line:match('^%$ (.*)')
        local prompt = goes_on and '' or '<i>$ </i>'
        goes_on = typed ~= nil and typed:match('\\$') ~= nil
        table.insert(shown, typed and prompt .. '<b>' .. escape(typed) ..
                            '</b>' or escape(line))
    end
    return html('<pre class="console"><code>' ..
                table.concat(shown, '\n') .. '</code></pre>')
end

-- Comments go, and what they say of the block below them is shown. A line that
-- begins with a comment belongs to the paragraph below it. The README's picture
-- of the site is for those who aren't there.
local function Blocks(blocks)
    local made, comment, start = {}, '', nil
    for _, block in ipairs(blocks) do
        local text = block.t == 'RawBlock' and block.text or ''
        if text:match('^%s*<!%-%-') then
            comment = text:gsub('^%s+', '')
            text = text:gsub('<!%-%-.-%-%->', '')
            start = text:match('%S') and pandoc.read(text, 'gfm').blocks[1]
        else
            if block.t == 'CodeBlock' then block = quoted(comment, block) end
            if start and block.t == 'Para' then
                table.insert(start.content, pandoc.SoftBreak())
                for _, inline in ipairs(block.content) do
                    table.insert(start.content, inline)
                end
                block = start
            elseif start then
                table.insert(made, start)
            end
            comment, start = '', nil
            local picture = block.t == 'Para' and block.content[1]
            if not (picture and picture.src == 'docs/img/site.png') then
                table.insert(made, block)
            end
        end
    end
    if start then table.insert(made, start) end
    return made
end

local known = {c = true, diff = true, js = true, sh = true, javascript = true,
               python = true, go = true, java = true, bash = true,
               makefile = true, awk = true, yaml = true}

-- Pandoc reads all that it knows before it leaves an unknown language alone.
local function CodeBlock(code)
    if code.classes[1] == 'console' then return console(code) end
    if code.classes[1] and not known[code.classes[1]] then
        table.remove(code.classes, 1)
        return code
    end
end

local function RawInline(raw)
    if raw.text:match('^<!%-%-') then return {} end
end

-- `make diff-03` leads to the diff.
local function Code(code)
    local step = code.text:match('^make diff%-(0%d%.%d+)$')
    local stage = code.text:match('^make diff%-(0[2-6])$')
    local diff = stage and 'diff-' .. stage .. '.html'
    if diff and diff ~= page then
        return pandoc.Link({code}, top .. diff)
    elseif step then
        return pandoc.Link({code}, link_to('docs/steps/' .. step .. '.patch'))
    end
end

local function Image(image)
    image.src = link_to(resolve(image.src))
    return image
end

-- Returns the first sentence of a term, or nil.
local function glossary_says(anchor)
    if not glossary then
        local term
        glossary = {}
        for _, block in
            ipairs(pandoc.read(read('docs/glossary.md'), 'gfm').blocks) do
            if block.t == 'Header' then
                term = '#' .. block.identifier
            elseif term and block.t == 'Para' then
                local text = pandoc.utils.stringify(block)
                glossary[term] = text:match('^(.-%.)%s') or text
                term = nil
            end
        end
    end
    return glossary[anchor]
end

local function Link(link)
    local target, anchor = link.target:match('^([^#]*)(.*)')
    if target:match('^%a[%w+.-]*:') or target == '' or link.classes[1] or
        target:match('%.html$') then
        return nil
    end
    local path = resolve(target)
    if path == 'docs/replay/README.md' and anchor:match('/') then
        if os.getenv('SITE_REPLAY') == '' then return link.content end
        link.target = top .. 'replay.html' .. anchor
        return link
    end
    -- GitHub's name of a line is #L12, pandoc's #L-12.
    link.target = link_to(path) .. anchor:gsub('^#L(%d+)$', '#L-%1')
    local says = path == 'docs/glossary.md' and glossary_says(anchor)
    if says then
        link.classes = {'term'}
        link.attributes['data-says'] = says
    end
    return link
end

-- A link into the replay that stands alone shows the replay.
local function Para(para)
    local link = para.content[1]
    if #para.content > 1 or not link or link.t ~= 'Link' then return nil end
    local anchor = link.target:match('^.*replay%.html(#.*)$')
    if anchor then
        return {html('<figure class="replay"><iframe loading="lazy" src="' ..
                     top .. 'replay.html?embed' .. escape(anchor) ..
                     '" title="' .. escape(pandoc.utils.stringify(link)) ..
                     '"></iframe><figcaption>'), pandoc.Plain({link}),
                html('</figcaption></figure>')}
    end
end

local function Table(whole)
    return pandoc.Div({whole}, pandoc.Attr('', {'table'}))
end

local function Header(header)
    if header.identifier ~= '' then
        table.insert(header.content, pandoc.Link(
            {}, '#' .. header.identifier, '',
            pandoc.Attr('', {'anchor'},
                        {['aria-label'] = 'Link to this heading'})))
    end
    return header
end

-- Returns the blocks of a page that shows a file, or a folder's files.
local function source()
    if is_folder(file) then
        local items = {}
        for _, name in ipairs(lines_of(os.getenv('SITE_FILES'))) do
            local target = link_to(file .. '/' .. name)
            table.insert(items, {pandoc.Plain({
                pandoc.Link({pandoc.Code(name)}, target)})})
        end
        return {pandoc.Header(1, {pandoc.Str(file)}),
                pandoc.BulletList(items)}
    end
    local text = read(file)
    local languages = {h = 'c', js = 'javascript', py = 'python', go = 'go',
                       java = 'java', patch = 'diff', bats = 'bash',
                       bash = 'bash', c = 'c', yml = 'yaml', awk = 'awk'}
    local language = languages[file:match('%.(%w+)$')] or
        text:match('^#![^\n]*(python)') or text:match('^#![^\n]*(bash)') or
        file:match('Makefile$') and 'makefile' or 'text'
    local title = {pandoc.Str(file)}
    local folder, name = file:match('^(0[^/]*)/(.*)$')
    if folder then
        title = {pandoc.Link({pandoc.Str(folder)}, link_to(folder)),
                 pandoc.Str('/' .. name)}
    end
    return {pandoc.Header(1, title),
            pandoc.CodeBlock(text, pandoc.Attr(
                'L', {language, 'numberLines', 'lineAnchors'}))}
end

-- Returns the contents bar up to this page and behind it, and the links to the
-- pages before and after it.
local function around()
    local bar, before, after = {'', ''}, nil, nil
    local side, here = 1, false
    for _, line in ipairs(lines_of(read(os.getenv('SITE_ORDER')))) do
        local url, title = line:match('^(.-)\t(.*)')
        local link = '<a href="' .. top .. url .. '"%s>' .. escape(title) ..
            '</a>'
        if url == '' then
            bar[side] = bar[side] .. '</ul><p>' .. escape(title) .. '</p><ul>'
        else
            -- The replay has no links to others.
            if url == page then
                here = true
            elseif url ~= 'replay.html' and not here then
                before = link:format(' rel="prev"')
            elseif url ~= 'replay.html' and not after then
                after = link:format(' rel="next"')
            end
            if url == page then
                bar[1] = bar[1] .. '<li>' ..
                    link:format(' aria-current="page"')
                local stage = page:match('^(0[2-6])%-')
                bar[2] = (stage and '<a class="to-diff" href="diff-' ..
                    stage .. '.html">Its diff, side by side</a>' or '') ..
                    '</li>'
                side = 2
            else
                bar[side] = bar[side] .. '<li>' .. link:format('') .. '</li>'
            end
        end
    end
    if not here then before = nil end
    return bar, before, after
end

local function Pandoc(doc)
    local blocks = doc.blocks
    if not (file:match('%.md$') or page:match('^diff%-')) then
        blocks = source()
    end
    local meta = doc.meta
    local bar, before, after = around()
    local function raw(text)
        return pandoc.MetaInlines({pandoc.RawInline('html', text or '')})
    end
    -- What GitHub needs to find the next chapter.
    if blocks[2] and blocks[2].t == 'Para' and blocks[1].t == 'Header' and
        blocks[2].content[1].t == 'Link' then
        table.remove(blocks, 2)
    end
    local title = table.remove(blocks, 1)
    meta.title = pandoc.MetaInlines(title.content)
    meta.id = raw(title.identifier)
    meta.top = raw(top)
    meta.before, meta.after = raw(bar[1]), raw(bar[2])
    meta.previous, meta.next = raw(before), raw(after)
    return pandoc.Pandoc(blocks, meta)
end

return {{Pandoc = Pandoc}, {Blocks = Blocks, RawInline = RawInline},
        {CodeBlock = CodeBlock, Code = Code, Image = Image, Link = Link},
        {Para = Para, Table = Table, Header = Header}}
