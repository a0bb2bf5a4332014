-- diff.lua -- the pandoc filter that makes a chapter the diff of its stage,
-- side by side, with what the chapter says beside what it quotes
--
-- From the environment: SITE_OLD and SITE_NEW are the stages, SITE_DIFFS is
-- the folder with `git diff` of each file, all lines of it, and SITE_DIR
-- where the highlighted sources are already. page.lua goes on from there.
--
-- A remark is what stands below a quoted piece of the diff, up to the next
-- heading, block, table or picture; without a last paragraph that ends in a
-- colon, as that is about the next block; and with the one above the quote
-- that does. It stands where the quote begins.
local common = dofile('docs/site/common.lua')
local html = common.html
local old, new = os.getenv('SITE_OLD'), os.getenv('SITE_NEW')
local chapter = os.getenv('SITE_FILE'):gsub('^.*/', '')

local function says_more(block)
    return block and block.t == 'Para' and
        pandoc.utils.stringify(block):match(':$')
end

-- Links within the chapter lead to it from here.
local function from_here(block)
    return pandoc.walk_block(block, {Link = function(link)
        link.target = link.target:gsub('^#', chapter .. '#')
        return link
    end})
end

-- Returns the remarks on a file, each with its quote.
local function remarks_on(name, blocks)
    local remarks, heading = {}, nil
    for i, block in ipairs(blocks) do
        local comment = block.t == 'RawBlock' and block.text or ''
        if block.t == 'Header' then heading = block end
        if comment:find('<!-- diff ' .. old .. ' ' .. new .. ' ' .. name ..
                        ' -->', 1, true) then
            local quote, said = blocks[i + 1], {}
            if says_more(blocks[i - 1]) then said = {blocks[i - 1]} end
            local next = i + 2
            while blocks[next] and
                (blocks[next].t == 'Para' or blocks[next].t:match('List$')) and
                pandoc.utils.stringify(blocks[next]) ~= '' and
                blocks[next].content[1].t ~= 'Image' do
                table.insert(said, blocks[next])
                next = next + 1
            end
            if next > i + 2 and says_more(said[#said]) then
                table.remove(said)
            end
            for n = 1, #said do said[n] = from_here(said[n]) end
            local title = {pandoc.Str('§ '), table.unpack(heading.content)}
            table.insert(said, 1, pandoc.Para({pandoc.Link(
                title, chapter .. '#' .. heading.identifier)}))
            table.insert(remarks, {
                id = common.hunk_id(name, quote), said = said,
                quote = common.lines_of(quote.text)})
        end
    end
    return remarks
end

-- Returns the lines of a stage's file in HTML, as its page has them.
local function highlighted(path)
    local lines = {}
    local text = common.read(os.getenv('SITE_DIR') .. '/' .. path .. '.html')
    text = text:gsub('</code>', '\n</code>')
    for line in text:gmatch('<span id="L%-%d+"><a href="#L%-%d+"[^>]*></a>' ..
                            '([^\n]*)</span>\n') do
        table.insert(lines, line)
    end
    return lines
end

-- Returns lines `first` to `last` of the diff that the side has, as a <pre>.
local function column(diff, side, first, last, class)
    local shown = {}
    for i = first, last do
        if diff[i][side] then
            table.insert(shown, '<span class="l" data-n="' .. diff[i][side] ..
                                '">' .. diff[i][side .. '_html'] ..
                                '\n</span>')
        end
    end
    if #shown == 0 then class = 'none' end
    return '<pre class="' .. class .. '"><code>' .. table.concat(shown) ..
        '</code></pre>'
end

local function pair(diff, first, last, old_class, new_class)
    if first > last then return '' end
    return '<div class="pair">' .. column(diff, 'old', first, last, old_class)
        .. column(diff, 'new', first, last, new_class) .. '</div>'
end

-- Returns the rows from line `first` to `last`. Long runs that both files have
-- are closed, but for the lines beside a change.
local function rows(diff, first, last)
    local shown = {}
    while first <= last do
        local same, stop = diff[first].sign == ' ', first
        while stop < last and (diff[stop + 1].sign == ' ') == same do
            stop = stop + 1
        end
        if same then
            local from = first == 1 and 1 or first + 3
            local to = stop == #diff and stop or stop - 3
            if to - from < 6 then from, to = stop + 1, stop end
            table.insert(shown, pair(diff, first, from - 1, 'same', 'same'))
            if from <= to then
                table.insert(shown, '<details><summary>' .. to - from + 1 ..
                    ' lines that both have</summary>' ..
                    pair(diff, from, to, 'same', 'same') .. '</details>')
            end
            table.insert(shown, pair(diff, to + 1, stop, 'same', 'same'))
        else
            table.insert(shown, pair(diff, first, stop, 'del', 'ins'))
        end
        first = stop + 1
    end
    return table.concat(shown, '\n')
end

-- Returns the lines of a file's diff, each with its number on either side.
local function read_diff(name)
    local diff, signed = {}, {}
    local old_html = highlighted(old .. '/' .. name)
    local new_html = highlighted(new .. '/' .. name)
    local n_old, n_new, in_hunk = 0, 0, false
    for _, line in ipairs(common.lines_of(
        common.read(os.getenv('SITE_DIFFS') .. '/' .. name))) do
        local sign = line:sub(1, 1)
        if in_hunk and sign ~= '\\' then
            local entry = {sign = sign}
            if sign ~= '+' then
                n_old = n_old + 1
                entry.old, entry.old_html = n_old, old_html[n_old]
            end
            if sign ~= '-' then
                n_new = n_new + 1
                entry.new, entry.new_html = n_new, new_html[n_new]
            end
            table.insert(diff, entry)
            table.insert(signed, line)
        end
        in_hunk = in_hunk or line:match('^@@') ~= nil
    end
    assert(n_old == #old_html and n_new == #new_html,
           name .. ': the diff lacks lines')
    return diff, signed
end

-- Returns the file's diff in sections: each remark begins one.
local function side_by_side(name, blocks)
    local diff, signed = read_diff(name)
    local remarks = remarks_on(name, blocks)
    for _, remark in ipairs(remarks) do
        remark.line = assert(common.find(remark.quote, signed),
                             'not in the diff: ' .. remark.quote[1])
    end
    table.sort(remarks, function(a, b) return a.line < b.line end)
    local made = {pandoc.Header(2, {pandoc.Str(name)}, pandoc.Attr(name)),
        html('<div class="pair heads">')}
    for _, stage in ipairs({old, new}) do
        local path = '../' .. stage .. '/' .. name
        table.insert(made, pandoc.Para({
            pandoc.Link({pandoc.Code(stage .. '/' .. name)}, path)}))
    end
    table.insert(made, html('</div>'))
    if not remarks[1] or remarks[1].line > 1 then
        table.insert(made, html(rows(diff, 1, #remarks == 0 and #diff or
                                              remarks[1].line - 1)))
    end
    for i, remark in ipairs(remarks) do
        local last = remarks[i + 1] and remarks[i + 1].line - 1 or #diff
        table.insert(made, pandoc.Div({
            pandoc.Div({html(rows(diff, remark.line, last))},
                       pandoc.Attr('', {'rows'})),
            pandoc.Div(remark.said, pandoc.Attr('', {'remark'}))},
            pandoc.Attr(remark.id, {'hunk'})))
    end
    return made
end

function Pandoc(doc)
    -- Hyphens at which a title doesn't break.
    local title = ('From ' .. old .. ' to ' .. new):gsub('%-', '\u{2011}')
    local made = {pandoc.Header(1, {pandoc.Str(title)})}
    local beside = false
    for _, name in ipairs({'server.c', 'client.c'}) do
        for _, block in ipairs(side_by_side(name, doc.blocks)) do
            beside = beside or block.t == 'Div'
            table.insert(made, block)
        end
    end
    table.insert(made, 2, pandoc.Para({
        pandoc.Str('What '), pandoc.Code('make diff-' .. new:sub(1, 2)),
        pandoc.Str(' shows, side by side. ' ..
                   (beside and 'The remarks are from '
                    or "It's large: you'll find it in smaller steps in ")),
        pandoc.Link({pandoc.Str('the chapter')}, chapter), pandoc.Str('.')}))
    return pandoc.Pandoc(made, doc.meta)
end
